package mailer

import "sync"

// maxMemo bounds a memo. What is forgotten costs an explanation, or at worst a second mail; never a notice.
const maxMemo = 10_000

// memo remembers a text for notices that are still in the queue. Its zero value is empty. It is safe for concurrent use.
type memo struct {
	mu    sync.Mutex
	texts map[string]string
}

func (m *memo) put(id, text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.texts == nil || len(m.texts) >= maxMemo { // Notices that another mailer has sent are never forgotten one by one.
		m.texts = map[string]string{}
	}
	m.texts[id] = text
}

func (m *memo) get(id string) (string, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	text, ok := m.texts[id]
	return text, ok
}

func (m *memo) forget(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.texts, id)
}
