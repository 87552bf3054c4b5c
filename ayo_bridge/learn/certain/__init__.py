"""What every run of a function certainly asks by, read off its bytecode before it runs.

A call of a function may ask ahead by a client before it has used that itself only where no run can
ask by another: :mod:`facts` says what a body does on each of its paths, :mod:`running` what that
comes to for one function and one call, with the names as they are bound then.
"""
