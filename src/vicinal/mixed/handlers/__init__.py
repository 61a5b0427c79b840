"""``__torch_function__`` handlers: how torch functions act on both targets and on their weights.

Each public function here takes a :class:`Call` and returns its result, or raises
:class:`Unsupported`. What must never happen is a result that is wrong in silence, so a handler
supports the cases whose weights it can derive, and no others.
"""
