package benchmarks

import (
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// In a browser every line of every plot has a size, and its colour is on the picture, in light and in dark.
// That all lines are there is what TestPageShowsEveryPlot looks at, without a browser.
func TestProvePageInABrowser(t *testing.T) {
	if os.Getenv("REDLOCK_PROVE") == "" {
		t.Skip("make prove opens the page in a browser")
	}
	page := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(page, []byte(measuring(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	sizes := drawn.FindAllStringSubmatch(browse(t, page, "--dump-dom"), -1)
	if len(sizes) == 0 {
		t.Fatal("the browser has drawn no line")
	}
	figures := make(map[string]bool)
	for _, size := range sizes {
		figures[size[1]] = true
		width, _ := strconv.Atoi(size[3])
		height, _ := strconv.Atoi(size[4])
		if width < 50 || height > 1000 {
			t.Errorf("figure %s: the line of %s is %d wide and %d high", size[1], size[2], width, height)
		}
	}
	if want := 12 + len(Faults)*len(Operations); len(figures) != want {
		t.Errorf("lines were drawn in %d figures, want %d", len(figures), want)
	}
	t.Logf("%d lines in %d figures", len(sizes), len(figures))
	for scheme, colours := range schemes {
		picture := filepath.Join(t.TempDir(), scheme.name+".png")
		browse(t, page, "--screenshot="+picture, "--window-size=1400,5600", "--blink-settings=preferredColorScheme="+scheme.setting)
		checkPicture(t, scheme.name, picture, colours)
	}
}

// measuring is the page with a script that notes how large the browser has drawn each line.
func measuring(t *testing.T) string {
	t.Helper()
	var page strings.Builder
	if err := example().WritePage(&page); err != nil {
		t.Fatal(err)
	}
	return strings.Replace(page.String(), "</body>", `<script>
document.querySelectorAll("figure > svg .series").forEach(function (s) {
  var box = s.querySelector(".line").getBoundingClientRect();
  var note = document.createElement("i");
  note.dataset.drawn = [s.closest("figure").id, s.dataset.series, Math.round(box.width), Math.round(box.height)].join("|");
  document.body.append(note);
});
</script></body>`, 1)
}

var drawn = regexp.MustCompile(`data-drawn="([^|"]+)\|([^|"]+)\|(\d+)\|(\d+)"`)

// browse opens a page in a headless browser, which reaches no network, and returns what it prints.
func browse(t *testing.T, page string, args ...string) string {
	t.Helper()
	binary := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			binary = path
			break
		}
	}
	if binary == "" {
		t.Fatal("no chromium on the PATH: scripts/ensure-browser installs one on Debian")
	}
	args = append([]string{
		"--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--user-data-dir=" + t.TempDir(),
		"--host-resolver-rules=MAP * ~NOTFOUND", "--disable-background-networking",
	}, args...)
	out, err := exec.CommandContext(t.Context(), binary, append(args, "file://"+page)...).Output()
	if err != nil {
		t.Fatalf("%s: %v", binary, err)
	}
	return string(out)
}

type scheme struct{ name, setting string }

// schemes are the page's two looks: its background, and the colours of the first two lines.
var schemes = map[scheme][]color.RGBA{
	{"light", "1"}: {{0xfb, 0xfb, 0xfa, 0xff}, {0x0b, 0x57, 0xd0, 0xff}, {0xc4, 0x42, 0x0a, 0xff}},
	{"dark", "0"}:  {{0x13, 0x15, 0x17, 0xff}, {0x7f, 0xb0, 0xff, 0xff}, {0xff, 0x8a, 0x5c, 0xff}},
}

func checkPicture(t *testing.T, scheme, path string, colours []color.RGBA) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	picture, err := png.Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range colours {
		if pixels := count(picture, want); pixels < 500 {
			t.Errorf("%s: colour %d, %v, has %d pixels in the picture", scheme, i, want, pixels)
		}
	}
}

// count is the number of pixels that have a colour, or nearly so.
func count(picture image.Image, want color.RGBA) int {
	near := func(a uint32, b uint8) bool { return math.Abs(float64(a>>8)-float64(b)) <= 2 }
	pixels, bounds := 0, picture.Bounds()
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			if r, g, b, _ := picture.At(x, y).RGBA(); near(r, want.R) && near(g, want.G) && near(b, want.B) {
				pixels++
			}
		}
	}
	return pixels
}
