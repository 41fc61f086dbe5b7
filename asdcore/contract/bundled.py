"""The plugins that come with asdcore, by folder. They enter through the same door as everyone else's."""

from __future__ import annotations

_MODULES = {
    "datasets": ("dcase",),
    "views": (
        "channels",
        "spectral_subtraction",
        "w1",
        "wiener",
    ),
    "encoders": (
        "ast",
        "audiomae",
        "beats",
        "clap",
        "dasheng",
        "eat",
        "efficientat",
        "hear",
        "logmel",
        "modulation",
        "onnx",
        "panns",
        "passt",
        "psd_shape",
        "speech",
    ),
    "scorers": (
        "aldn",
        "autoencoder",
        "beam",
        "ced",
        "deep_svdd",
        "gmm",
        "isolation_forest",
        "kde",
        "kmeans",
        "knn",
        "ldn",
        "linear_autoencoder",
        "lof",
        "mahalanobis",
        "memmixup",
        "ocsvm",
        "padim",
        "patchcore",
        "pca_residual",
        "smote_knn",
        "temporal",
        "varmin",
    ),
    "normalizers": (
        "conformal",
        "domain_z",
        "ecdf",
        "gamma",
        "gpd",
        "mad",
        "mean_std",
        "median_iqr",
        "median_ratio",
    ),
    "guards": (
        "channel_disagreement",
        "tail",
        "tail_calibration",
        "target_proximity",
    ),
}

BUNDLED_PLUGINS = tuple(f"{kind}.{name}" for kind, names in _MODULES.items() for name in names)
"""The modules of ``asdcore_plugins`` that are plugins, such as ``scorers.knn``."""
