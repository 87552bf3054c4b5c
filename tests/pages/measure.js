// Added to a copy of a page: tells the page around it what is too wide, on top of another, or cut.
(async () => {
  const page = document.currentScript.dataset.page;
  const tell = found => parent.postMessage(JSON.stringify({ page, ...found }), "*");
  const shown = (rect, clip) => ({
    left: Math.max(rect.left, clip.left), right: Math.min(rect.right, clip.right),
    top: Math.max(rect.top, clip.top), bottom: Math.min(rect.bottom, clip.bottom),
  });
  const everything = { left: -Infinity, right: Infinity, top: -Infinity, bottom: Infinity };
  const clips = new Map([[null, everything]]);
  const clipOf = element => {  // What the boxes that scroll around an element leave of it.
    if (!clips.has(element)) {
      const outer = clipOf(element.parentElement);
      const own = getComputedStyle(element).overflowX !== "visible" && element !== document.body
        && element !== document.documentElement && !(element instanceof SVGElement);
      clips.set(element, own ? shown(element.getBoundingClientRect(), outer) : outer);
    }
    return clips.get(element);
  };
  const boxes = () => {
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const node = walker.currentNode, element = node.parentElement;
      const text = node.textContent.trim().replace(/\s+/g, " ");
      if (!text || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
      const range = document.createRange();
      range.selectNodeContents(node);
      const svg = element.closest("svg");
      for (const rect of range.getClientRects()) {
        const box = shown(rect, clipOf(element));
        const air = 0.13 * (box.bottom - box.top);  // Above and below the letters of a line.
        box.top += air;
        box.bottom -= air;
        if (box.right - box.left > 1 && box.bottom - box.top > 1) found.push({ ...box, rect, node, text, svg });
      }
    }
    return found;
  };
  const overlaps = found => {
    const pairs = [], open = [];
    for (const box of [...found].sort((a, b) => a.top - b.top)) {
      for (let i = open.length - 1; i >= 0; i--) {
        const other = open[i];
        if (other.bottom <= box.top + 0.5) open.splice(i, 1);
        else if (other.node !== box.node && Math.min(other.right, box.right) - Math.max(other.left, box.left) > 1)
          pairs.push(`${other.text} | ${box.text}`);
      }
      open.push(box);
    }
    return pairs;
  };
  const outside = ({ rect, svg }) => {
    if (!svg) return false;
    const sheet = svg.getBoundingClientRect();
    return rect.left < sheet.left - 1 || rect.right > sheet.right + 1 || rect.bottom > sheet.bottom + 1 || rect.top < sheet.top - 1;
  };
  try {
    for (const details of document.querySelectorAll("details")) details.open = true;
    const charts = (await window.drawn)?.length ?? 0;
    await new Promise(done => setTimeout(done, 50));
    const found = boxes();
    tell({
      charts,
      texts: found.length,
      width: innerWidth,
      wide: document.documentElement.scrollWidth - innerWidth,
      overlaps: overlaps(found),
      cut: found.filter(outside).map(box => box.text),
    });
  } catch (error) {
    tell({ error: String(error) });
  }
})();
