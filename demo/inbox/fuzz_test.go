package inbox

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// FuzzPage: whatever a mail holds, the page shows it as text: no element, script or style in it comes from a mail.
func FuzzPage(f *testing.F) {
	f.Add([]byte("Subject: <script>alert(1)</script>\r\nMessage-ID: <a@b>\r\n\r\n</pre><img src=x onerror=alert(1)>"))
	f.Add([]byte("Content-Type: text/html\r\n\r\n<style>*{display:none}</style>"))
	f.Add([]byte("Subject: =?utf-8?q?=3Cscript=3E?=\r\nReferences: \"><script>\r\n\r\n\x00\xff"))
	f.Add([]byte("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Disposition: attachment; filename=\"<script>\"\r\n\r\nx\r\n--b--"))
	count := func(page string) (n [4]int) {
		for i, what := range []string{"<script", "<style", "<img", "<iframe"} {
			n[i] = strings.Count(strings.ToLower(page), what)
		}
		return n
	}
	b, err := New(Options{Log: zerolog.Nop()})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _, _ = b.smtp.Close(), b.http.Close() })
	f.Fuzz(func(t *testing.T, raw []byte) {
		page := func(raw []byte) string {
			b.store = newStore(defaultMails, maxStored)
			b.store.add("a@b", []string{"c@d", string(raw[:min(len(raw), 20)])}, raw, time.Unix(1_800_000_000, 0))
			w := httptest.NewRecorder()
			b.handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
			if w.Code != http.StatusOK {
				t.Fatalf("status %d: %s", w.Code, w.Body)
			}
			return w.Body.String()
		}
		if got, want := count(page(raw)), count(page([]byte("Subject: x\r\n\r\ny"))); got != want {
			t.Errorf("%q brings elements into the page: %v, want %v", raw, got, want)
		}
	})
}
