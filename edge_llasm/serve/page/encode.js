// Samples and files as requests carry them.

// An ArrayBuffer, or a view of one -> base64
export function base64(bytes) {
  const view = ArrayBuffer.isView(bytes) ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength) : new Uint8Array(bytes);
  let text = "";
  for (let start = 0; start < view.length; start += 0x8000) text += String.fromCharCode(...view.subarray(start, start + 0x8000));
  return btoa(text);
}

// Blocks of 16-bit samples -> a WAV file
export function wav(blocks, rate) {
  const size = blocks.reduce((sum, block) => sum + block.byteLength, 0);
  const head = new DataView(new ArrayBuffer(44));
  const letters = (at, word) => [...word].forEach((letter, i) => head.setUint8(at + i, letter.charCodeAt(0)));
  letters(0, "RIFF");
  head.setUint32(4, 36 + size, true);
  letters(8, "WAVEfmt ");
  head.setUint32(16, 16, true); // bytes of what follows until the data
  head.setUint16(20, 1, true); // PCM
  head.setUint16(22, 1, true); // mono
  head.setUint32(24, rate, true);
  head.setUint32(28, 2 * rate, true);
  head.setUint16(32, 2, true);
  head.setUint16(34, 16, true);
  letters(36, "data");
  head.setUint32(40, size, true);
  return new Blob([head, ...blocks], { type: "audio/wav" });
}
