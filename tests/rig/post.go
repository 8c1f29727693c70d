package rig

import (
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
)

// Post is a mail server with a door of its own for each sender, so that it is known who sent what, and with a hand on
// every mail's way: a test can do something at the very moment at which a mail is under way.
type Post struct {
	doors []net.Listener

	mu    sync.Mutex
	mails []Letter
	watch func(Step, *Letter) error
}

// Step is how far a mail has come.
type Step string

// The steps a Post's watcher is called at.
const (
	Envelope Step = "envelope" // the recipient has been named, nothing was answered to that yet
	Content  Step = "content"  // the whole mail is here; an error of the watcher refuses it for now
	Taken    Step = "taken"    // the mail counts as sent; the 250 is yet to be written
)

// NewPost opens so many doors. It serves until the test ends.
func NewPost(t testing.TB, doors int) *Post {
	t.Helper()
	p := &Post{}
	var served sync.WaitGroup
	var servers []*smtp.Server
	for i := range doors {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		p.doors = append(p.doors, l)
		s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &postSession{post: p, door: i}, nil }))
		s.Domain = "post.example"
		s.ReadTimeout, s.WriteTimeout = Patience, Patience
		s.ErrorLog = noLog{}
		served.Go(func() { _ = s.Serve(l) })
		servers = append(servers, s)
	}
	t.Cleanup(func() {
		for _, s := range servers {
			s.Close()
		}
		served.Wait()
	})
	return p
}

// noLog is where the mail server tells of senders that died: they are meant to.
type noLog struct{}

// Printf implements smtp.Logger.
func (noLog) Printf(string, ...any) {}

// Println implements smtp.Logger.
func (noLog) Println(...any) {}

// URL is what the sender of that door has as DMONITOR_SMTP_URL.
func (p *Post) URL(door int) string { return "smtp://" + p.doors[door].Addr().String() }

// Letters lists the mails taken so far, in the order in which they were.
func (p *Post) Letters() []Letter {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.mails)
}

// Watch has f called at each step of each mail, in the goroutine that serves it: the mail waits for f. At Envelope only
// By, To and Began of the letter are known. Nil ends that.
func (p *Post) Watch(f func(Step, *Letter) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watch = f
}

func (p *Post) at(s Step, l *Letter) error {
	p.mu.Lock()
	f := p.watch
	p.mu.Unlock()
	if f == nil {
		return nil
	}
	return f(s, l)
}

type postSession struct {
	post  *Post
	door  int
	to    []string
	began time.Time
}

// Mail implements smtp.Session.
func (s *postSession) Mail(string, *smtp.MailOptions) error {
	s.began = time.Now()
	return nil
}

// Rcpt implements smtp.Session.
func (s *postSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return s.post.at(Envelope, &Letter{By: s.door, To: s.to, Began: s.began})
}

// Data implements smtp.Session.
func (s *postSession) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	l := readLetter(raw)
	l.By, l.To, l.Began = s.door, s.to, s.began
	if err := s.post.at(Content, &l); err != nil {
		return err
	}
	s.post.mu.Lock()
	l.Taken = time.Now()
	s.post.mails = append(s.post.mails, l)
	s.post.mu.Unlock()
	return s.post.at(Taken, &l)
}

// Reset implements smtp.Session.
func (s *postSession) Reset() { s.to = nil }

// Logout implements smtp.Session.
func (s *postSession) Logout() error { return nil }

// ErrNotNow is a watcher's word that refuses a mail for now.
var ErrNotNow = &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "not now"}
