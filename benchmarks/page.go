package benchmarks

import "io"

// WritePage todo
func (r *Results) WritePage(io.Writer) error { return nil }
