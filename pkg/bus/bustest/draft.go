// Package bustest runs buses for tests.
package bustest

import (
	"testing"

	"github.com/dmonitor/dmonitor/pkg/bus"
)

type Cluster struct{}

func New(t testing.TB, n int) *Cluster          { return nil }
func (c *Cluster) Bus(i int) *bus.Bus           { return nil }
func (c *Cluster) Cut(i int)                    {}
func (c *Cluster) Heal(i int)                   {}
func (c *Cluster) CutPair(i, j int)             {}
func (c *Cluster) HealPair(i, j int)            {}
func (c *Cluster) Stop(i int)                   {}
func (c *Cluster) Start(i int)                  {}
func (c *Cluster) Client(t testing.TB) *bus.Bus { return nil }
