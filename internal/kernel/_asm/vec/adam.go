package main

func emitAdam(v vec) {}
