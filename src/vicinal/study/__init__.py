"""Many runs, one answer: does mixing help, how strong, and for how many epochs?"""
