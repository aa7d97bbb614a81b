// Package budget counts the information that untrusted content may have on what a model with tools reads, and reserves it.
//
// Amounts are whole thousandths of a bit. What is shown of a result is a Charge: the projection's and the answers' bits. It is
// reserved in the store on three counters at once, of the result, of the conversation and of the principal's hour (a conversation
// can be forked, so its own counter is not enough); it counts on all of them or on none. That something is shown rather than
// withheld is said of the content too, so each charge costs one more bit, which stays when the rest is refused: the choice
// between "refused" and everything that a charge of n bits can say is then n+1 bits, however the content is chosen.
//
// The outcome is remembered under the charge's own key for as long as the conversation is kept, so the same content in a later
// turn costs nothing and is shown, or not shown, as before. When the store does not answer, nothing is granted.
package budget
