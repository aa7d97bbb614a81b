// Package budget counts the information that untrusted content may have on what a model with tools reads, and reserves it.
package budget
