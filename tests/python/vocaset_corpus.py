"""A miniature of VOCASET, in its files."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np

VERTICES = 60


def write_vocaset(folder: Path) -> tuple[Path, Path, dict[str, np.ndarray]]:
    """Two subjects of two sentences, a second each, as the corpus stores them."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(4)
    names = ["jawOpen", "mouthPucker", "mouthLeft"]
    deltas = 0.01 * rng.standard_normal((3, VERTICES, 3))
    deltas[:, 50:] = 0.0  # the back of the head
    meshes, truth, index, sounds, templates = [], {}, {}, {}, {}
    for s, subject in enumerate(("FaceTalk_1_TA", "FaceTalk_2_TA")):
        templates[subject] = rng.standard_normal((VERTICES, 3))
        index[subject], sounds[subject] = {}, {}
        for sentence in ("sentence01", "sentence02"):
            at = np.arange(60)[:, None] / 60
            weights = 0.4 + 0.4 * np.sin(2 * np.pi * (at + rng.uniform(0, 1, 3)))
            first = sum(len(m) for m in meshes)
            index[subject][sentence] = {f: first + f for f in range(60)}
            meshes.append(templates[subject] + np.tensordot(weights, deltas, axes=1))
            truth[f"{subject}_{sentence}"] = weights
            time = np.arange(22000) / 22000
            sounds[subject][sentence] = {
                "audio": (3000 * np.sin(2 * np.pi * (200 + 50 * s) * time)).astype(np.int16),
                "sample_rate": 22000,
            }
    np.save(folder / "data_verts.npy", np.concatenate(meshes).astype(np.float32))
    for name, table in (
        ("templates.pkl", templates),
        ("subj_seq_to_idx.pkl", index),
        ("raw_audio_fixed.pkl", sounds),
    ):
        (folder / name).write_bytes(pickle.dumps(table, protocol=2))
    np.savez(folder.parent / "deltas.npz", names=np.array(names), deltas=deltas)
    return folder, folder.parent / "deltas.npz", truth
