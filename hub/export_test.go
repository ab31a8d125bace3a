package hub

// NoLinks makes a hub one of a system without symbolic links.
func NoLinks(o *Options) { o.noLinks = true }
