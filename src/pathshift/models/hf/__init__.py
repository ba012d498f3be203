"""transformers models on this machine. Importing anything in here loads torch.

Telemetry of the libraries is switched off here, before the first of them is imported. MKL is told
to sum in an order that does not hang on where in memory a matrix lies: on some processors (AMD EPYC
with AVX-512 was seen) the same sample otherwise differs in its last bits from batch to batch.
"""

import os

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("MKL_CBWR", "AUTO")  # read at the first product, not at the import
