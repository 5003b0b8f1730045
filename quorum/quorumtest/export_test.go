package quorumtest

// LeakFreeTelling is LeakFree with a place for its report.
var LeakFreeTelling = leakFree
