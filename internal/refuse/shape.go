package refuse

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
)

// Shape is the API whose error format a refusal is written in.
type Shape int

// The shapes. OpenAI is the zero value: it is what most SDKs that reach a gateway read.
const (
	OpenAI Shape = iota
	Anthropic
	Gemini
	Bedrock
	JSONRPC
	Plain
)

// String names the shape.
func (s Shape) String() string {
	switch s {
	case OpenAI:
		return "openai"
	case Anthropic:
		return "anthropic"
	case Gemini:
		return "gemini"
	case Bedrock:
		return "bedrock"
	case JSONRPC:
		return "jsonrpc"
	default:
		return "plain"
	}
}

// ShapeOf tells from a request's path which API its caller speaks: the router's paths, the broker's, and those of the
// native surfaces, which put a provider's name before the provider's own path.
func ShapeOf(path string) Shape {
	path, _, _ = strings.Cut(path, "?")
	switch {
	case under(path, "/mcp"):
		return JSONRPC
	case under(path, "/.well-known"), under(path, "/connect"), under(path, "/events"), under(path, "/healthz"), under(path, "/readyz"):
		return Plain
	case strings.HasSuffix(path, "/v1/messages"), strings.Contains(path, "/v1/messages/"):
		return Anthropic
	case strings.Contains(path, "/v1beta/"), strings.Contains(path, ":generateContent"), strings.Contains(path, ":streamGenerateContent"):
		return Gemini
	case strings.Contains(path, "/model/"):
		return Bedrock
	default:
		return OpenAI
	}
}

// under says whether path is the folder or in it.
func under(path, folder string) bool {
	rest, ok := strings.CutPrefix(path, folder)
	return ok && (rest == "" || rest[0] == '/')
}

// ContentType is the media type of Body in this shape.
func (r *Refusal) ContentType(s Shape) string {
	if s == Plain {
		return "text/plain; charset=utf-8"
	}
	return "application/json"
}

// ErrorType is what the header x-amzn-errortype says, by which AWS' SDKs choose the exception; "" in every other shape.
func (r *Refusal) ErrorType(s Shape) string {
	if s != Bedrock {
		return ""
	}
	return r.awsType()
}

// Body writes the refusal as the caller's API writes an error. It holds the client's text, the code and the decision's
// id, and nothing else.
func (r *Refusal) Body(s Shape, decisionID string) []byte {
	switch s {
	case OpenAI:
		return marshal(map[string]any{"error": openAIError{
			Message: r.Client, Type: r.openAIType(), Code: r.Code, DecisionID: decisionID,
		}})
	case Anthropic:
		return marshal(anthropicError{Type: "error", Error: anthropicDetail{
			Type: r.anthropicType(), Message: r.Client, Code: r.Code, DecisionID: decisionID,
		}})
	case Gemini:
		return marshal(map[string]any{"error": geminiError{
			Code: r.Status, Message: r.Client, Status: r.geminiStatus(), Details: []geminiDetail{{
				Type: "type.googleapis.com/google.rpc.ErrorInfo", Reason: strings.ToUpper(r.Code), Domain: "yellowjack",
				Metadata: map[string]string{"decision_id": decisionID},
			}},
		}})
	case Bedrock:
		return marshal(awsError{Type: r.awsType(), Message: r.Client, Reason: r.Code, DecisionID: decisionID})
	case JSONRPC:
		return marshal(rpcError{Version: "2.0", Error: rpcDetail{
			Code: r.rpcCode(), Message: r.Client, Data: rpcData{Code: r.Code, DecisionID: decisionID},
		}})
	default:
		text := r.Client + "\ncode: " + r.Code + "\n"
		if decisionID != "" {
			text += "decision: " + decisionID + "\n"
		}
		return []byte(text)
	}
}

type openAIError struct {
	Message    string  `json:"message"`
	Type       string  `json:"type"`
	Param      *string `json:"param"`
	Code       string  `json:"code"`
	DecisionID string  `json:"decision_id"`
}

type anthropicError struct {
	Type  string          `json:"type"`
	Error anthropicDetail `json:"error"`
}

type anthropicDetail struct {
	Type       string `json:"type"`
	Message    string `json:"message"`
	Code       string `json:"code"`
	DecisionID string `json:"decision_id"`
}

type geminiError struct {
	Code    int            `json:"code"`
	Message string         `json:"message"`
	Status  string         `json:"status"`
	Details []geminiDetail `json:"details"`
}

type geminiDetail struct {
	Type     string            `json:"@type"`
	Reason   string            `json:"reason"`
	Domain   string            `json:"domain"`
	Metadata map[string]string `json:"metadata"`
}

// awsError is that of AWS' REST services in JSON. The exception's name is in it for a stream, and for clients that lose the
// header. Our own code is no "code": SDKs would take that for the exception.
type awsError struct {
	Type       string `json:"__type"`
	Message    string `json:"message"`
	Reason     string `json:"reason"`
	DecisionID string `json:"decision_id"`
}

// rpcError is JSON-RPC 2.0, section 5.1. The id is null: a request refused before it was parsed has none that we know.
type rpcError struct {
	Version string    `json:"jsonrpc"`
	ID      *string   `json:"id"`
	Error   rpcDetail `json:"error"`
}

type rpcDetail struct {
	Code    int     `json:"code"`
	Message string  `json:"message"`
	Data    rpcData `json:"data"`
}

type rpcData struct {
	Code       string `json:"code"`
	DecisionID string `json:"decision_id"`
}

func (r *Refusal) openAIType() string {
	switch {
	case r.Status == http.StatusUnauthorized:
		return "authentication_error"
	case r.Status == http.StatusForbidden:
		return "permission_error"
	case r.Status == http.StatusTooManyRequests:
		return "rate_limit_error"
	case r.Status >= http.StatusInternalServerError:
		return "server_error"
	default:
		return "invalid_request_error"
	}
}

func (r *Refusal) anthropicType() string {
	switch r.Status {
	case http.StatusUnauthorized:
		return "authentication_error"
	case http.StatusForbidden:
		return "permission_error"
	case http.StatusNotFound:
		return "not_found_error"
	case http.StatusRequestEntityTooLarge:
		return "request_too_large"
	case http.StatusTooManyRequests:
		return "rate_limit_error"
	case http.StatusServiceUnavailable:
		return "overloaded_error"
	case http.StatusGatewayTimeout:
		return "timeout_error"
	}
	if r.Status >= http.StatusInternalServerError {
		return "api_error"
	}
	return "invalid_request_error"
}

// geminiStatus is the google.rpc.Code that google.api.http maps to this status.
func (r *Refusal) geminiStatus() string {
	switch r.Status {
	case http.StatusUnauthorized:
		return "UNAUTHENTICATED"
	case http.StatusForbidden:
		return "PERMISSION_DENIED"
	case http.StatusNotFound:
		return "NOT_FOUND"
	case http.StatusTooManyRequests:
		return "RESOURCE_EXHAUSTED"
	case http.StatusBadGateway, http.StatusServiceUnavailable:
		return "UNAVAILABLE"
	case http.StatusGatewayTimeout:
		return "DEADLINE_EXCEEDED"
	}
	if r.Status >= http.StatusInternalServerError {
		return "INTERNAL"
	}
	return "INVALID_ARGUMENT"
}

// awsType is the exception that Bedrock has for this status.
func (r *Refusal) awsType() string {
	switch r.Status {
	case http.StatusUnauthorized:
		return "UnrecognizedClientException"
	case http.StatusForbidden:
		return "AccessDeniedException"
	case http.StatusNotFound:
		return "ResourceNotFoundException"
	case http.StatusTooManyRequests:
		return "ThrottlingException"
	case http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return "ServiceUnavailableException"
	}
	if r.Status >= http.StatusInternalServerError {
		return "InternalServerException"
	}
	return "ValidationException"
}

// rpcCode is JSON-RPC's own code where it has one, else one of the range it leaves to servers.
func (r *Refusal) rpcCode() int {
	switch {
	case r.Code == MalformedJSON:
		return -32700
	case r.Code == MethodNotAllowed || r.Code == NotFound:
		return -32601
	case r.Status == http.StatusUnauthorized || r.Status == http.StatusForbidden:
		return -32001
	case r.Status >= http.StatusInternalServerError:
		return -32603
	default:
		return -32600
	}
}

// marshal encodes without HTML escapes, so that a text reads the same in every log and terminal. The types above hold
// only strings and numbers, which always encode; invalid UTF-8 becomes U+FFFD.
func marshal(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return []byte(`{"error":{"message":"the request was refused","type":"server_error","param":null,"code":"internal"}}`)
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}
