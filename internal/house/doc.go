// Package house holds tests about hanji itself: which package may import which,
// what the leaf packages must not pull in, and how files are kept. It has no code to call.
package house
