package stampede

import "encoding/json"

// A Codec turns values into bytes and back. It must be safe for concurrent use, and not keep the bytes.
type Codec[V any] interface {
	Marshal(v V) ([]byte, error)
	Unmarshal(data []byte) (V, error)
}

// JSON is the codec of package encoding/json, and the default.
func JSON[V any]() Codec[V] { return jsonCodec[V]{} }

type jsonCodec[V any] struct{}

func (jsonCodec[V]) Marshal(v V) ([]byte, error) { return json.Marshal(v) }

func (jsonCodec[V]) Unmarshal(data []byte) (V, error) {
	var v V
	err := json.Unmarshal(data, &v)
	return v, err
}

// Raw is the codec of bytes and strings as they are.
func Raw[V ~[]byte | ~string]() Codec[V] { return rawCodec[V]{} }

type rawCodec[V ~[]byte | ~string] struct{}

func (rawCodec[V]) Marshal(v V) ([]byte, error)      { return []byte(v), nil }
func (rawCodec[V]) Unmarshal(data []byte) (V, error) { return V(data), nil }
