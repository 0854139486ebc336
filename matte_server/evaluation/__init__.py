"""Measures results against their ground truth: SAD, MAD, MSE, Grad, Conn, foreground MSE, dtSSD.

May import io, core and errors; cli and training import it. It knows neither models nor shots.
"""
