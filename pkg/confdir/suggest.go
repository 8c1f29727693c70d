package confdir

import "strings"

// Nearest returns the one of words, which are lower case, that name is most likely a slip of, or "".
func Nearest(name string, words []string) string {
	best, meant := 3, ""
	for _, w := range words {
		// Two slips in a word of four letters make any word of any other.
		if d := distance(strings.ToLower(name), w); d < best && d*3 <= len(w) {
			best, meant = d, w
		}
	}
	return meant
}

// distance counts the letters to insert, remove, replace or swap with their neighbour to make b of a. Words that differ
// by more than their length allows cost nothing to compare.
func distance(a, b string) int {
	if len(a)-len(b) > 2 || len(b)-len(a) > 2 {
		return max(len(a), len(b))
	}
	before, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			same := 1
			if a[i-1] == b[j-1] {
				same = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+same)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], before[j-2]+1)
			}
		}
		before, prev, cur = prev, cur, before
	}
	return prev[len(b)]
}
