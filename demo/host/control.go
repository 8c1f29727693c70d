package host

import (
	"encoding/json"
	"net/http"
	"time"
)

// State is what GET / of Control answers.
type State struct {
	Up    bool      `json:"up"`
	Since time.Time `json:"since"`
}

// Control is a web interface to the host: GET / says how it is, POST /up and POST /down change it. It knows no
// password, and belongs on an address that only the demo can reach. Pages of other sites can't use it through a browser.
func (h *Host) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { h.tell(w) })
	mux.HandleFunc("POST /down", func(w http.ResponseWriter, _ *http.Request) {
		h.Down()
		h.tell(w)
	})
	mux.HandleFunc("POST /up", func(w http.ResponseWriter, _ *http.Request) {
		if err := h.Up(); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		h.tell(w)
	})
	return http.NewCrossOriginProtection().Handler(mux)
}

func (h *Host) tell(w http.ResponseWriter) {
	var s State
	s.Up, s.Since = h.IsUp()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(s) // the client may have gone
}
