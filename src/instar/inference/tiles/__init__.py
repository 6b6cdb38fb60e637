"""Images larger than the memory: a method's own code on tensors of which only strips of rows exist at a time.

`tensor` stands in for the image and records what is done to it, `operations` says how each operation is done by rows,
`local` does it, `storage` keeps what must be kept, `statistics` sums up what norms need of the whole image.
"""
