package main

func emitNorms(v vec) {}
