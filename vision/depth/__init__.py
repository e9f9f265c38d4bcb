"""Surround depth: geometry between a rig's cameras, attention on a shared cylinder, losses without truth, measures.

A rig has N cameras. Images are (..., C, H, W), z-depths (..., H, W) in metres, `K` (..., 3, 3) in pixels with pixel
centres at whole numbers, `T_rig_cam` (..., 4, 4) from camera to rig coordinates (OpenCV's axes; rig: z up, metres).
"""
