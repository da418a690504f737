"""Filters as one bit per item, 32 to a word, one row for all queries or one a query."""

import numpy as np

from shortlist_kernels.cuda.backend import cuda, kernel


@kernel("void(uint32[:, ::1], int64, int64, int64, uint32[:, ::1])", uses_forms=False)
def start_words(forms):
    """The mask, all ones where there is none, or nothing yet where only listed items are allowed."""

    def run(mask, num_mask_rows, num_words, is_listed, words):
        row = cuda.blockIdx.y
        for word in range(cuda.grid(1), num_words, cuda.gridsize(1)):
            value = np.uint32(0xFFFFFFFF)
            if is_listed:
                value = np.uint32(0)
            elif num_mask_rows > 0:
                value = mask[row if num_mask_rows > 1 else 0, word]
            words[row, word] = value

    return run


@kernel("void(int64[::1], int64[::1], int64, uint32[:, ::1], int64, uint32[:, ::1])", uses_forms=False)
def allow_listed(forms):
    """Sets the bits of the items listed, where the mask has them."""

    def run(indptr, positions, num_lists, mask, num_mask_rows, words):
        row = cuda.blockIdx.y
        one_list = row if num_lists > 1 else 0
        for place in range(indptr[one_list] + cuda.grid(1), indptr[one_list + 1], cuda.gridsize(1)):
            item = positions[place]
            bit = np.uint32(np.int64(1) << np.int64(item & 31))
            if num_mask_rows == 0 or (mask[row if num_mask_rows > 1 else 0, item >> 5] & bit) != 0:
                cuda.atomic.or_(words, (row, item >> 5), bit)

    return run


@kernel("void(int64[::1], int64[::1], int64, uint32[:, ::1])", uses_forms=False)
def exclude_listed(forms):
    """Clears the bits of the items listed."""

    def run(indptr, positions, num_lists, words):
        row = cuda.blockIdx.y
        one_list = row if num_lists > 1 else 0
        for place in range(indptr[one_list] + cuda.grid(1), indptr[one_list + 1], cuda.gridsize(1)):
            item = positions[place]
            others = np.uint32(0xFFFFFFFF ^ (np.int64(1) << np.int64(item & 31)))
            cuda.atomic.and_(words, (row, item >> 5), others)

    return run
