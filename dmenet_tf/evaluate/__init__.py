"""What evaluate.py is made of, in the order in which data flows.

    pairing     folders and splits -> which image, truth and map belong together
    protocols   files -> arrays in the protocol's unit -> scores of one image
    scoring     a method over all images: processes, resuming, problems
    summary     scores of images -> figures of a method
    published   the numbers to print beside ours
    figures     precision-recall plot, bar plots, side-by-side sheet
    page        the HTML page
"""
