package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/hanji-ml/hanji/generate"
)

// fault is an answer that is an error, in OpenAI's shape: {"error": {"message", "type", "param", "code"}}.
type fault struct {
	status  int
	param   string // the parameter that is wrong
	code    string
	message string
}

func (f *fault) Error() string { return f.message }

// faultf is an error without a parameter.
func faultf(status int, code, format string, args ...any) *fault {
	return &fault{status: status, code: code, message: fmt.Sprintf(format, args...)}
}

// invalid is a parameter that is wrong.
func invalid(param, format string, args ...any) *fault {
	return &fault{status: http.StatusBadRequest, param: param, code: "invalid_value", message: fmt.Sprintf(format, args...)}
}

// kinds are the types that go with a status; Anthropic's, where OpenAI has none of its own.
var kinds = map[int]string{
	http.StatusUnauthorized:          "authentication_error",
	http.StatusForbidden:             "permission_error",
	http.StatusNotFound:              "not_found_error",
	http.StatusRequestTimeout:        "timeout_error",
	http.StatusRequestEntityTooLarge: "request_too_large",
	http.StatusTooManyRequests:       "rate_limit_error",
	http.StatusInternalServerError:   "api_error",
	http.StatusServiceUnavailable:    "overloaded_error",
}

func (f *fault) kind() string {
	if k, ok := kinds[f.status]; ok {
		return k
	}
	return "invalid_request_error"
}

// body is what is sent; Anthropic's clients look for a type beside the error.
func (f *fault) body(path string) any {
	type inner struct {
		Message string  `json:"message"`
		Type    string  `json:"type"`
		Param   *string `json:"param"`
		Code    *string `json:"code"`
	}
	e := inner{Message: f.message, Type: f.kind()}
	if f.param != "" {
		e.Param = &f.param
	}
	if f.code != "" {
		e.Code = &f.code
	}
	if isMessages(path) {
		return struct {
			Type  string `json:"type"`
			Error inner  `json:"error"`
		}{"error", e}
	}
	return struct {
		Error inner `json:"error"`
	}{e}
}

// isMessages tells Anthropic's routes from OpenAI's.
func isMessages(path string) bool { return strings.HasPrefix(path, "/v1/messages") }

// retryAfter is how long who was turned away should wait, in seconds: about an answer of a small model.
const retryAfter = 2

func (f *fault) write(w http.ResponseWriter, r *http.Request) {
	if f.status == http.StatusTooManyRequests || f.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
	}
	if f.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	writeJSON(w, f.status, f.body(r.URL.Path))
}

// writeJSON sends a whole answer. An error of the connection is nobody's business any more.
func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(v)
}

// asFault gives errors of the engine and of contexts their status. What a client need not know is not told.
func asFault(err error) *fault {
	var f *fault
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, generate.ErrBusy):
		return faultf(http.StatusTooManyRequests, "rate_limit_exceeded", "all slots are busy and the queue is full; try again")
	case errors.Is(err, generate.ErrTooLong):
		return faultf(http.StatusBadRequest, "context_length_exceeded", "the prompt does not fit into the model's context")
	case errors.Is(err, generate.ErrClosed):
		return faultf(http.StatusServiceUnavailable, "unavailable", "the server is shutting down")
	case errors.Is(err, errTimeLimit):
		return faultf(http.StatusRequestTimeout, "request_timeout", "%v", errTimeLimit)
	case errors.As(err, &large):
		return faultf(http.StatusRequestEntityTooLarge, "request_too_large", "the body has more than %d bytes", large.Limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return faultf(http.StatusRequestTimeout, "request_timeout", "the body did not arrive in time")
	case errors.Is(err, context.Canceled):
		return &fault{status: statusGone, code: "cancelled", message: "the client left"}
	}
	return nil
}

// statusGone is what logs say of a client that left (nginx's 499); nobody reads it.
const statusGone = 499

var errTimeLimit = errors.New("the answer took longer than the server allows")
