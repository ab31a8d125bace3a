package train

import (
	"fmt"
	"os"
)

// Expand puts environment variables into a path that a recipe gives under a key. One that is not set is an error: the path would be another.
func Expand(key, path string) (string, error) {
	missing := ""
	out := os.Expand(path, func(name string) string {
		v := os.Getenv(name)
		if v == "" && missing == "" {
			missing = name
		}
		return v
	})
	if missing != "" {
		return "", fmt.Errorf("recipe: %s is %s, and the environment variable %s is not set; set it, or give the path by --set %s=PATH", key, path, missing, key)
	}
	return out, nil
}
