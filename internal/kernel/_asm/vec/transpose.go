package main

func emitTranspose(v vec) {}
