package main

func emitPhilox(v vec) {}
