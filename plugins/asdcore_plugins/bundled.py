"""Every bundled plugin: its name in a portfolio, and the class or function that builds it.

A new plugin is one file and one line here. The path is imported when the plugin is first built, so files import their
libraries at the top, as any other Python does.
"""

from __future__ import annotations

from collections.abc import Callable

from asdcore import hookimpl

Register = Callable[[str, str], None]

DATASETS = {
    "dcase": "dcase:DCASE",
    "dcase2020": "dcase:DCASE2020",
    "dcase2021": "dcase:DCASE2021",
    "dcase2022": "dcase:DCASE2022",
    "dcase2023": "dcase:DCASE2023",
    "dcase2024": "dcase:DCASE2024",
    "dcase2025": "dcase:DCASE2025",
    "dcase2026": "dcase:DCASE2026",
    "folder": "folder:FolderReader",
    "index": "table:TableReader",
}

VIEWS = {
    "difference": "channels:Difference",
    "far": "channels:far",
    "mean": "channels:Mean",
    "near": "channels:near",
    "spectral_subtraction": "spectral_subtraction:SpectralSubtraction",
    "stereo": "channels:Stereo",
    "w1": "w1:W1",
    "wiener": "wiener:Wiener",
}

ENCODERS = {
    "ast": "ast:AST",
    "audiomae": "audiomae:AudioMAE",
    "beats": "beats:BEATs",
    "ced_audio": "ced_audio:CedAudio",
    "clap": "clap:Clap",
    "coherence": "coherence:Coherence",
    "dasheng": "dasheng:Dasheng",
    "data2vec": "speech:Data2Vec",
    "discriminative": "discriminative:Discriminative",
    "eat": "eat:EAT",
    "echo": "echo:Echo",
    "embedding_residual": "embedding_residual:EmbeddingResidual",
    "efficientat": "efficientat:EfficientAT",
    "fisher": "fisher:Fisher",
    "hear": "hear:Hear",
    "hubert": "speech:Hubert",
    "imported": "imported:Imported",
    "logmel": "logmel:LogMel",
    "melspec": "melspec:MelSpec",
    "modulation": "modulation:Modulation",
    "onnx": "onnx:GraphEncoder",
    "panns": "panns:Panns",
    "passt": "passt:PaSST",
    "pe_audio": "pe_audio:PeAudio",
    "psd_shape": "psd_shape:PsdShape",
    "stereo_logmel": "stereo_logmel:StereoLogMel",
    "wavlm": "speech:WavLM",
    "whisper": "whisper:Whisper",
}

SCORERS = {
    "aldn": "aldn:ALDN",
    "autoencoder": "autoencoder:Autoencoder",
    "beam": "beam:Beam",
    "ced": "ced:CED",
    "deep_svdd": "deep_svdd:DeepSVDD",
    "gmm": "gmm:GMM",
    "isolation_forest": "isolation_forest:IsolationForest",
    "kde": "kde:KDE",
    "kmeans": "kmeans:KMeans",
    "knn": "knn:KNN",
    "ldn": "ldn:LDN",
    "linear_autoencoder": "linear_autoencoder:LinearAutoencoder",
    "lof": "lof:LOF",
    "mahalanobis": "mahalanobis:Mahalanobis",
    "memmixup": "memmixup:MemMixup",
    "normal_relation": "normal_relation:NormalRelation",
    "ocsvm": "ocsvm:OneClassSVM",
    "padim": "padim:PaDiM",
    "patchcore": "patchcore:PatchCore",
    "pca_residual": "pca_residual:PCAResidual",
    "smote_knn": "smote_knn:SmoteKNN",
    "temporal": "temporal:Temporal",
    "varmin": "varmin:VarMin",
}

NORMALIZERS = {
    "conformal": "conformal:Conformal",
    "domain_z": "domain_z:DomainZ",
    "ecdf": "ecdf:Ecdf",
    "gamma": "gamma:Gamma",
    "gpd": "gpd:Gpd",
    "mad": "mad:Mad",
    "mean_std": "mean_std:MeanStd",
    "median_iqr": "median_iqr:MedianIQR",
    "median_ratio": "median_ratio:MedianRatio",
    "qn": "qn:Qn",
}

GUARDS = {
    "channel_disagreement": "channel_disagreement:ChannelDisagreement",
    "tail": "tail:TailGuard",
    "tail_calibration": "tail_calibration:TailCalibration",
    "target_proximity": "target_proximity:TargetProximity",
}


@hookimpl
def register_datasets(register: Register) -> None:
    """Offer the readers of folder layouts."""
    _offer(register, "datasets", DATASETS)


@hookimpl
def register_views(register: Register) -> None:
    """Offer the views."""
    _offer(register, "views", VIEWS)


@hookimpl
def register_encoders(register: Register) -> None:
    """Offer the encoders."""
    _offer(register, "encoders", ENCODERS)


@hookimpl
def register_scorers(register: Register) -> None:
    """Offer the scorers."""
    _offer(register, "scorers", SCORERS)


@hookimpl
def register_normalizers(register: Register) -> None:
    """Offer the normalizers."""
    _offer(register, "normalizers", NORMALIZERS)


@hookimpl
def register_guards(register: Register) -> None:
    """Offer the guards."""
    _offer(register, "guards", GUARDS)


def _offer(register: Register, folder: str, paths: dict[str, str]) -> None:
    for name, path in paths.items():
        register(name, f"asdcore_plugins.{folder}.{path}")
