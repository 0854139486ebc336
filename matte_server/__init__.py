"""The matting server: pictures in, float alpha and scene-linear foreground out."""
