//go:build race

package tokenmodel_test

const raceEnabled = true
