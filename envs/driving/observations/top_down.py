class TopDown:
    pass
