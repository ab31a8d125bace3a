package main

func benchPeak(o benchOptions) error { return usagef("bench peak is not built yet") }
