package bus

import (
	"testing"
	"time"
)

// TestHold: a holder is sure of its message as long as it says so in time, and never again after a standstill.
func TestHold(t *testing.T) {
	t0 := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := func(s int) time.Time { return t0.Add(time.Duration(s) * time.Second) }
	h := newHold(t0)
	for s := 4; s <= 60; s += 4 {
		if !h.told(at(s)) || !h.sure(at(s+3)) {
			t.Fatalf("not sure after %d s of saying so every four", s)
		}
	}
	if !h.sure(at(75)) {
		t.Error("15 s of silence: want sure, others wait for 20")
	}
	if h.sure(at(76)) {
		t.Error("16 s of silence: want unsure, sending takes a moment too")
	}
	if h.told(at(76)) || h.sure(at(61)) {
		t.Error("a hold that was lost came back")
	}
	if h := newHold(t0); h.told(at(25)) || h.sure(at(26)) {
		t.Error("woke up after 25 s and is sure of its message")
	}
}
