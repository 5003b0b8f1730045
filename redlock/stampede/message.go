package stampede

// A message is what those who wait for a key are told: a letter, and what belongs to it.
type message struct {
	kind byte
	body []byte
}

const (
	toldValue  = 'V' // the framed value
	toldLook   = 'S' // a value has been stored that is too large to tell
	toldVoid   = 'X' // the value was invalidated, and with it the load that was under way
	toldFailed = 'F' // the load failed: the error's text
	toldAbsent = 'N' // the source has no such value, and nobody remembers it
)

// maxTold is the largest value that is told. Others are fetched.
const maxTold = 16 << 10

// maxText is how much of a loader's error is told.
const maxText = 512

func valueMessage(blob []byte) message {
	if len(blob) > maxTold {
		return message{kind: toldLook}
	}
	return message{kind: toldValue, body: blob}
}

func (m message) encode() []byte { return append([]byte{m.kind}, m.body...) }

func decodeMessage(text string) message {
	if text == "" {
		return message{kind: toldLook}
	}
	return message{kind: text[0], body: []byte(text[1:])}
}
