"""The field's figures of results against their truth: SAD, MAD, MSE, Grad, Conn, dtSSD.

May import io, core and errors; cli and training import it. It knows no model and no shot.
"""
