package plugins

import (
	"strconv"
	"testing"
)

// The table of the Monitoring Plugins' guidelines, and what isn't a range.
func TestBounds(t *testing.T) {
	for s, want := range map[string]string{ // which of these values are good
		"10": "0 5 10", "10:": "10 11 21", "~:10": "-1 0 5 10", "10:20": "10 11", "@10:20": "-1 0 5 21", "@10": "-1 11 21", "-1:0": "-1 0", "0:0": "0",
	} {
		var b bounds
		if err := b.Set(s); err != nil {
			t.Error(err)
		}
		got := ""
		for _, v := range []float64{-1, 0, 5, 10, 11, 21} {
			if b.good(v) {
				got += " " + strconv.FormatFloat(v, 'f', -1, 64)
			}
		}
		if got != " "+want {
			t.Errorf("%s: good are%s, want %s", s, got, want)
		}
	}
	for _, s := range []string{"", "@", "x", "20:10", "10:x", "nan", "inf:", "1:2:3", "-5"} {
		if err := new(bounds).Set(s); err == nil {
			t.Errorf("%q is taken for a range", s)
		}
	}
}

// What is taken as a range judges every number without contradiction: its inversion says the opposite.
func FuzzBounds(f *testing.F) {
	f.Add("10:20", 15.0)
	f.Add("~:", 0.0)
	f.Fuzz(func(t *testing.T, s string, v float64) {
		var b, not bounds
		if b.Set(s) != nil || s[0] == '@' {
			return
		}
		if err := not.Set("@" + s); err != nil || b.good(v) == not.good(v) {
			t.Errorf("%s and @%s agree on %v (%v)", s, s, v, err)
		}
	})
}
