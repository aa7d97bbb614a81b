package translate

// collector makes a whole answer of events: of a dialect whose answers and events have one form.
type collector struct{ answer }

func (c *collector) put(e event) error {
	a := &c.answer
	switch e.kind {
	case started:
		a.id, a.model, a.created, a.usage = e.id, e.model, e.created, e.usage
	case opened:
		a.blocks = append(a.blocks, e.block)
	case said, signed:
		b := &a.blocks[len(a.blocks)-1]
		switch {
		case e.kind == signed:
			b.sign = e.sign
		case b.kind == callBlock:
			b.args = append(b.args, e.text...)
		default:
			b.text += e.text
		}
	case stopped:
		a.stop, a.sequence, a.usage = e.stop, e.sequence, e.usage
	case failing:
		a.failed = e.failed
	}
	return nil
}
