// Package kernel holds loops over slices (placeholder until kernel-gemm lands).
package kernel

// Float is what the kernels compute in.
type Float interface{ ~float32 | ~float64 }
