package bus

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dmonitor/dmonitor/pkg/bus/folder"
	"github.com/dmonitor/dmonitor/pkg/events"
)

// RememberAfter is for how long FollowCatalog tries to read the configuration when it begins, before it hands out what
// this member remembers of it. In an ordinary start it is read earlier: a cluster was ready after 0.6 s (median).
const RememberAfter = 5 * time.Second

const (
	rememberFile    = "catalog.json" // in the data folder
	rememberVersion = 1
	rememberBytes   = 64 << 20 // a hundred times what three nodes with 2,000 checks say
)

// memory keeps on disk what the nodes contributed last, so that a member that starts without a majority knows what to look
// at. It is a copy: what the bus says replaces it as soon as that can be read.
type memory struct {
	folder string      // empty: nothing is kept
	told   atomic.Bool // that it is made use of

	mu   sync.Mutex
	last [sha256.Size]byte // of the file's content, as far as this process knows
}

// remembered is the content of the file.
type remembered struct {
	V             int                        `json:"v"`
	Contributions map[string]json.RawMessage `json:"contributions"` // by node
}

// put writes what the nodes contribute, if that is something new.
func (m *memory) put(all []events.Contribution) error {
	if m.folder == "" {
		return nil
	}
	r := remembered{V: rememberVersion, Contributions: map[string]json.RawMessage{}}
	for _, c := range all {
		data, err := events.Encode(&c)
		if err != nil {
			return err
		}
		r.Contributions[c.Node] = data
	}
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if len(data) > rememberBytes {
		return fmt.Errorf("%d bytes, at most %d are kept", len(data), rememberBytes)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	sum := sha256.Sum256(data)
	if sum == m.last {
		return nil
	}
	if err := folder.Replace(filepath.Join(m.folder, rememberFile), data); err != nil {
		return err
	}
	m.last = sum
	return nil
}

// get reads what was remembered; nil if there is nothing. One bad contribution makes the file bad: nobody but this
// program writes it.
func (m *memory) get() ([]events.Contribution, error) {
	if m.folder == "" {
		return nil, nil
	}
	name := filepath.Join(m.folder, rememberFile)
	f, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, rememberBytes+1))
	if err == nil && len(data) > rememberBytes {
		err = fmt.Errorf("more than %d bytes", rememberBytes)
	}
	var all []events.Contribution
	if err == nil {
		all, err = decodeRemembered(data)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last = sha256.Sum256(data)
	return all, nil
}

func decodeRemembered(data []byte) ([]events.Contribution, error) {
	var r remembered
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is something after its end")
	}
	if r.V != rememberVersion {
		return nil, fmt.Errorf("version %d: want %d", r.V, rememberVersion)
	}
	all := []events.Contribution{}
	for node, raw := range r.Contributions {
		c, err := events.Decode[events.Contribution](events.ConfigKey(node), raw)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}
