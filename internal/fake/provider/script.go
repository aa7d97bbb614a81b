package provider

import (
	"strconv"
	"strings"
	"time"
)

// script is what one request makes the model do.
type script struct {
	texts  []string
	thinks []string // where an API has a place for it
	calls  []call
	chunks int    // a text is cut into so many; 0 by words
	finish string // instead of the right one
	model  string // says that another model answered

	// What the wire does.
	slow      time.Duration // before the first byte
	pace      time.Duration // between events
	hold      time.Duration // in the middle of every call's arguments
	fragment  int           // bytes of arguments in one delta
	oneByOne  bool          // parallel calls one after the other, not interleaved
	crlf      bool
	comments  bool // between all events
	noUsage   bool
	events    []string
	rawBody   string
	truncate  string // "text": ends after the text; "call": in the middle of a call; "done": without [DONE]
	midError  *errorBody
	midReset  bool
	hangs     string // "before" or "mid"
	status    int
	statusMsg string
	retry     string
	empty     bool
	reset     bool
	gzip      bool
	mediaType string
	redirect  string
	trailer   bool
}

// call is one tool call to make.
type call struct {
	kind   string // function, legacy, custom
	choice int    // -1 in every choice
	name   string
	args   string // as they stand, well formed or not
}

// parse reads one line; false is a line that is no directive.
//
//	say TEXT                     text
//	think TEXT                   what the model thinks, in an API that shows it
//	call[@CHOICE] NAME ARGS      a tool call; several are parallel ones; ARGS is sent as it stands
//	legacy NAME ARGS             a function_call
//	custom NAME TEXT             a call of a custom tool
//	chunks N                     text in N chunks
//	finish REASON                another finish_reason
//	answered MODEL               another model answers
//	slow|pace|hold DURATION      wait before the answer, between events, in the middle of arguments
//	fragment N                   arguments in pieces of N bytes
//	sequential                   parallel calls one after the other (they are interleaved otherwise)
//	crlf, comments, nousage      another line end, comments between events, no usage chunk
//	event DATA                   the stream is these events, and nothing else but [DONE]
//	raw BODY                     200 with this body
//	truncate text|call|done      the stream ends early, cleanly
//	error CODE TEXT              an error in mid-stream, as OpenRouter says it
//	break                        a reset in mid-stream
//	hang [mid]                   silence, until the client goes away
//	status CODE [retry-after N] [TEXT]
//	empty CODE                   an answer without a body
//	reset                        the connection is reset without an answer
//	gzip                         a compressed answer, whatever was asked
//	type MEDIATYPE               another content type
//	redirect URL                 302
//	trailers                     the answer has trailers
func (s *script) parse(line string) bool {
	verb, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	rest = strings.TrimSpace(rest)
	verb, choice, chosen := strings.Cut(verb, "@")
	if chosen && verb != "call" && verb != "legacy" {
		return false
	}
	first, after, _ := strings.Cut(rest, " ")
	switch verb {
	case "say":
		s.texts = append(s.texts, rest)
	case "think":
		s.thinks = append(s.thinks, rest)
	case "call", "legacy", "custom":
		if first == "" {
			return false
		}
		c := call{kind: map[string]string{"call": "function", "legacy": "legacy", "custom": "custom"}[verb], choice: -1, name: first, args: strings.TrimSpace(after)}
		if chosen {
			n, err := strconv.Atoi(choice)
			if err != nil {
				return false
			}
			c.choice = n
		}
		s.calls = append(s.calls, c)
	case "finish":
		s.finish = rest
	case "answered":
		s.model = rest
	case "event":
		s.events = append(s.events, rest)
	case "raw":
		s.rawBody = rest
	case "truncate":
		s.truncate = rest
	case "type":
		s.mediaType = rest
	case "redirect":
		s.redirect = rest
	case "error":
		code, err := strconv.Atoi(first)
		if err != nil {
			return false
		}
		s.midError = &errorBody{Code: code, Message: after}
	default:
		return s.parseNumber(verb, first) || s.parseFlag(verb, rest) || s.parseStatus(verb, rest)
	}
	return true
}

func (s *script) parseNumber(verb, arg string) bool {
	if d, ok := map[string]*time.Duration{"slow": &s.slow, "pace": &s.pace, "hold": &s.hold}[verb]; ok {
		v, err := time.ParseDuration(arg)
		if err == nil {
			*d = v
		}
		return err == nil
	}
	if n, ok := map[string]*int{"chunks": &s.chunks, "fragment": &s.fragment}[verb]; ok {
		v, err := strconv.Atoi(arg)
		if err == nil {
			*n = v
		}
		return err == nil
	}
	return false
}

func (s *script) parseFlag(verb, rest string) bool {
	if verb == "hang" && (rest == "" || rest == "mid") {
		s.hangs = map[string]string{"": "before", "mid": "mid"}[rest]
		return true
	}
	flag, ok := map[string]*bool{
		"sequential": &s.oneByOne, "crlf": &s.crlf, "comments": &s.comments, "nousage": &s.noUsage,
		"break": &s.midReset, "reset": &s.reset, "gzip": &s.gzip, "trailers": &s.trailer,
	}[verb]
	if !ok || rest != "" {
		return false
	}
	*flag = true
	return true
}

func (s *script) parseStatus(verb, rest string) bool {
	first, after, _ := strings.Cut(rest, " ")
	code, err := strconv.Atoi(first)
	if (verb != "status" && verb != "empty") || err != nil || code < 200 || code > 599 {
		return false
	}
	s.status, s.empty = code, verb == "empty"
	if word, rest, _ := strings.Cut(after, " "); word == "retry-after" {
		s.retry, after, _ = strings.Cut(rest, " ")
	}
	s.statusMsg = after
	return true
}

// parseName reads the directives of a model's name.
func (s *script) parseName(model string) {
	name := model[strings.LastIndexByte(model, '/')+1:]
	for part := range strings.SplitSeq(name, "+") {
		s.parse(strings.ReplaceAll(strings.ReplaceAll(part, "-", " "), "retry after", "retry-after"))
	}
}
