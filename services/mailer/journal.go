package mailer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dmonitor/dmonitor/pkg/bus/folder"
	"github.com/dmonitor/dmonitor/pkg/events"
)

// Bounds of the journal's file: it is written anew when it has more lines than this, or when it is opened.
const (
	journalName  = "told.log"
	journalLines = 20_000
)

// journal keeps on disk who was told without a majority: one events.Told in a line, appended and synced. It is not safe for
// concurrent use. Its zero value keeps nothing.
type journal struct {
	path  string
	lines int
}

// openJournal reads the journal in a folder; "" keeps nothing. A line that can't be read, such as one that a power cut has
// left half written, is passed over.
func openJournal(folder string) (*journal, []events.Told, error) {
	if folder == "" {
		return &journal{}, nil, nil
	}
	j := &journal{path: filepath.Join(folder, journalName)}
	data, err := os.ReadFile(j.path)
	if errors.Is(err, fs.ErrNotExist) {
		return j, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read who was told without a majority: %w", err)
	}
	var all []events.Told
	for line := range bytes.SplitSeq(data, []byte("\n")) {
		var t events.Told
		if json.Unmarshal(line, &t) == nil && t.Validate() == nil {
			all = append(all, t)
		}
	}
	return j, all, nil
}

// add appends entries; with sync they are on disk when it returns nil.
func (j *journal) add(sync bool, all ...events.Told) error {
	if j.path == "" || len(all) == 0 {
		return nil
	}
	b := []byte("\n") // It ends a line that was left half written.
	for _, t := range all {
		line, err := events.Encode(&t)
		if err != nil {
			return fmt.Errorf("write who was told without a majority: %w", err)
		}
		b = append(append(b, line...), '\n')
	}
	f, err := os.OpenFile(j.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("write who was told without a majority: %w", err)
	}
	_, err = f.Write(b)
	if err == nil && sync {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write who was told without a majority: %w", err)
	}
	j.lines += len(all)
	return nil
}

// full tells whether it is time for rewrite.
func (j *journal) full() bool { return j.lines > journalLines }

// rewrite replaces the file by these entries, whole or not at all.
func (j *journal) rewrite(all []events.Told) error {
	if j.path == "" {
		return nil
	}
	var b bytes.Buffer
	for _, t := range all {
		line, err := events.Encode(&t)
		if err != nil {
			continue // It was never on the bus either.
		}
		b.Write(line)
		b.WriteByte('\n')
	}
	if err := folder.Replace(j.path, b.Bytes()); err != nil {
		return fmt.Errorf("write who was told without a majority: %w", err)
	}
	j.lines = len(all)
	return nil
}
