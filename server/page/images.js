// Pictures: detecting their type, making them fit, and showing a bounded number of them.

import { element } from "./dom.js";
import { formatBytes } from "./format.js";

const MAX_HELD = 40;
const MAX_SIDE = 1600;
const MIN_SIDE = 16;
const QUALITIES = [0.85, 0.7, 0.5];
const SHRINK_STEP = 0.75;
// An SVG may lack a size.
const SIDE_OF_UNSIZED = 512;

const SIGNATURES = [
  ["image/png", 0, [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]],
  ["image/jpeg", 0, [0xff, 0xd8, 0xff]],
  ["image/gif", 0, [0x47, 0x49, 0x46, 0x38]],
  ["image/webp", 8, [0x57, 0x45, 0x42, 0x50]],
];

/**
 * Returns the MIME type by the magic bytes, whatever the sender claims; undefined if it is not one
 * of the four.
 */
export function sniffImageType(bytes) {
  const found = SIGNATURES.find(([, offset, magic]) => magic.every((byte, index) => bytes[offset + index] === byte));
  return found?.[0];
}

export class ImageError extends Error {
  name = "ImageError";
}

/**
 * Returns the bytes to send for a file, at most `budget`, and a note if they differ from the
 * file's.
 */
export async function prepareImage(file, budget) {
  if (file.size <= budget) {
    const bytes = new Uint8Array(await file.arrayBuffer());
    if (sniffImageType(bytes)) {
      return { bytes };
    }
  }
  const picture = await decodePicture(file);
  const blob = await shrinkToFit(picture, budget);
  const size = formatBytes(blob.size);
  const what =
    file.size > budget
      ? `scaled down from ${formatBytes(file.size)} to ${size}; a message may have ${formatBytes(budget)}`
      : `turned into a JPEG of ${size}`;
  return {
    bytes: new Uint8Array(await blob.arrayBuffer()),
    note: `“${file.name}” was ${what}.`,
  };
}

async function decodePicture(file) {
  const url = URL.createObjectURL(file);
  try {
    const picture = new Image();
    picture.src = url;
    await picture.decode();
    return picture;
  } catch {
    throw new ImageError(`“${file.name}” was not sent: it is not a picture that this browser can read (${formatBytes(file.size)}).`);
  } finally {
    URL.revokeObjectURL(url);
  }
}

async function shrinkToFit(picture, budget) {
  const width = picture.naturalWidth || SIDE_OF_UNSIZED;
  const height = picture.naturalHeight || SIDE_OF_UNSIZED;
  let scale = Math.min(1, MAX_SIDE / Math.max(width, height));
  while (Math.max(width, height) * scale >= MIN_SIDE) {
    const canvas = draw(picture, Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale)));
    for (const quality of QUALITIES) {
      const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", quality));
      if (blob && blob.size <= budget) {
        return blob;
      }
    }
    scale *= SHRINK_STEP;
  }
  throw new ImageError(`The picture was not sent: it does not fit into the ${formatBytes(budget)} that a message may have.`);
}

function draw(picture, width, height) {
  const canvas = element("canvas", { width, height });
  const context = canvas.getContext("2d");
  // JPEG has no transparency; without this, transparent parts turn black.
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(picture, 0, 0, width, height);
  return canvas;
}

/** Creates blob URLs and revokes the oldest, so that a long session does not keep every picture. */
export class ImageShelf {
  #held = new Map();

  /** Returns a node that shows `bytes`: a picture, or a download if the browser cannot show it. */
  show(bytes, from) {
    const figure = element("div", { class: "picture" });
    const type = sniffImageType(bytes);
    const url = URL.createObjectURL(new Blob([bytes], { type: type ?? "application/octet-stream" }));
    this.#held.set(figure, url);
    if (type) {
      const image = element("img", { "data-testid": "image", alt: `Picture from ${from}`, src: url });
      image.addEventListener("error", () => this.#held.has(figure) && figure.replaceChildren(download(url, bytes.length)));
      figure.append(image);
    } else {
      figure.append(download(url, bytes.length));
    }
    this.#trim();
    return figure;
  }

  /** Releases the pictures inside `node`. */
  release(node) {
    for (const figure of node.querySelectorAll(".picture")) {
      this.#drop(figure);
    }
  }

  #trim() {
    while (this.#held.size > MAX_HELD) {
      const [oldest] = this.#held.keys();
      this.#drop(oldest);
      oldest.replaceChildren(element("p", { class: "faint" }, "An older picture, no longer kept."));
    }
  }

  #drop(figure) {
    URL.revokeObjectURL(this.#held.get(figure));
    this.#held.delete(figure);
  }
}

function download(url, size) {
  return element("a", { href: url, download: "download.bin", "data-testid": "download" }, `Download ${formatBytes(size)}`);
}
