package benchmarks

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// Results is everything that a suite has measured.
type Results struct {
	Machine  Machine        `json:"machine"`
	Started  time.Time      `json:"started"`
	Took     string         `json:"took"`
	Plan     Plan           `json:"plan"`
	Subjects []SubjectEntry `json:"subjects"`
	Grid     []float64      `json:"quantiles"` // of every at_quantiles_us
	Load     []LoadCell     `json:"load"`
	Own      []LoadCell     `json:"own"`
	Sick     []SickRun      `json:"sick"`
	HandOff  []HandOffRun   `json:"hand_off"`
	Endure   []EndureRun    `json:"endure"`
	Held     []HeldRun      `json:"held"`
}

// A SubjectEntry says what a name stands for.
type SubjectEntry struct {
	Name  string `json:"name"`
	About string `json:"about"`
}

func newResults(ctx context.Context, s *Suite) *Results {
	r := &Results{Machine: thisMachine(ctx), Started: time.Now().UTC().Truncate(time.Second), Plan: s.Plan, Grid: Grid}
	for _, subject := range append(s.Subjects[:len(s.Subjects):len(s.Subjects)], InMemory()) {
		r.Subjects = append(r.Subjects, SubjectEntry{Name: subject.Name(), About: subject.About()})
	}
	return r
}

// Cell returns what was measured under one load, or nil.
func (r *Results) Cell(subject string, nodes, callers int) *LoadCell {
	for i, c := range r.Load {
		if c.Subject == subject && c.Nodes == nodes && c.Callers == callers {
			return &r.Load[i]
		}
	}
	return nil
}

// The files of a folder of results.
const (
	JSONFile = "results.json"
	TextFile = "results.txt"
	PageFile = "index.html"
)

// Write writes the results into a folder: as JSON, as text that benchstat reads, and as a page with plots.
func (r *Results) Write(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for name, write := range map[string]func(io.Writer) error{
		JSONFile: r.writeJSON, TextFile: r.writeText, PageFile: r.WritePage,
	} {
		if err := writeFile(filepath.Join(folder, name), write); err != nil {
			return err
		}
	}
	return nil
}

func writeFile(path string, write func(io.Writer) error) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := write(file); err != nil {
		_ = file.Close()
		return fmt.Errorf("%s: %w", path, err)
	}
	return file.Close()
}

func (r *Results) writeJSON(out io.Writer) error {
	enc := json.NewEncoder(out)
	enc.SetIndent("", " ")
	return enc.Encode(r)
}

// ReadResults reads the JSON that Write wrote.
func ReadResults(path string) (*Results, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := new(Results)
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}
