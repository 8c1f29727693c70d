package inbox

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

//go:embed assets
var assets embed.FS

var page = template.Must(template.New("page.html").Funcs(template.FuncMap{
	"clock":   func(t time.Time) string { return t.Format("2 Jan 2006 15:04:05 MST") },
	"machine": func(t time.Time) string { return t.Format(time.RFC3339Nano) },
	"list":    func(s []string) string { return strings.Join(s, ", ") },
}).ParseFS(assets, "assets/page.html"))

// policy lets the page load its own style and script, and talk to its own server: nothing else, whatever a mail says.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// liveBeat is how often a silent stream says that it is still there, so that nothing on the way gives it up.
const liveBeat = 15 * time.Second

func (b *Inbox) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", b.servePage)
	mux.HandleFunc("GET /api/mails", b.serveJSON)
	mux.HandleFunc("GET /raw/{id}", b.serveRaw)
	mux.HandleFunc("GET /live", b.serveLive)
	mux.HandleFunc("GET /style.css", asset("style.css", "text/css; charset=utf-8"))
	mux.HandleFunc("GET /live.js", asset("live.js", "text/javascript; charset=utf-8"))
	mux.HandleFunc("GET /icon.svg", asset("icon.svg", "image/svg+xml"))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "OK") })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		mux.ServeHTTP(w, r)
	})
}

func asset(name, kind string) http.HandlerFunc {
	content, err := assets.ReadFile("assets/" + name)
	if err != nil {
		panic(err) // the file is embedded: only a misspelt name gets here
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		_, _ = w.Write(content) // the browser may have gone
	}
}

// view is what the page shows.
type view struct {
	Threads []*thread
	Count   int64 // mails that have come in
	Kept    int   // of these
	Hint    string
	SMTP    string
}

func (b *Inbox) servePage(w http.ResponseWriter, _ *http.Request) {
	mails, count, _ := b.store.all()
	var out bytes.Buffer
	err := page.Execute(&out, view{Threads: threads(mails), Count: count, Kept: len(mails), Hint: b.opts.Hint, SMTP: b.SMTPAddr()})
	if err != nil {
		b.opts.Log.Error().Err(err).Msg("render the page")
		http.Error(w, "the page could not be rendered", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = out.WriteTo(w) // the browser may have gone
}

// serveJSON lists the mails that are kept, oldest first.
func (b *Inbox) serveJSON(w http.ResponseWriter, _ *http.Request) {
	mails, _, _ := b.store.all()
	if mails == nil {
		mails = []Mail{}
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(mails); err != nil {
		b.opts.Log.Debug().Err(err).Msg("send the mails")
	}
}

func (b *Inbox) serveRaw(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	m, ok := b.store.find(id)
	if err != nil || !ok {
		http.Error(w, "no such mail, or not any more", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write(m.Raw) // the browser may have gone
}

// serveLive is a stream of server-sent events: how many mails there have been, at once and with every mail.
func (b *Inbox) serveLive(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	stream := http.NewResponseController(w)
	beat := time.NewTicker(liveBeat)
	defer beat.Stop()
	for last := int64(-1); ; {
		_, count, changed := b.store.all()
		line := ": still here\n\n"
		if count != last {
			line, last = fmt.Sprintf("data: %d\n\n", count), count
		}
		if _, err := io.WriteString(w, line); err != nil {
			return
		}
		if err := stream.Flush(); err != nil {
			return
		}
		select {
		case <-changed:
		case <-beat.C:
		case <-r.Context().Done():
			return
		}
	}
}
