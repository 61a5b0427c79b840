"""``vicinal bench``: the speed of mixing beside a plain copy and the installed peer libraries."""
