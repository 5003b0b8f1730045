package fakeredis

// Recognise returns the name of the script that runs in source's place.
func Recognise(source string) (name string, known bool) {
	t, known := twinOf(source)
	return t.name, known
}

// CodeDigest is what twins.go has beside a script's name.
func CodeDigest(source string) string { return digest(code(source)) }

// Twins are the names in twins.go.
func Twins() []string {
	var names []string
	for name := range twins {
		names = append(names, name)
	}
	return names
}
