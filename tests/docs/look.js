// Return what is wrong with the page that is shown: width, alternative texts, contrast (WCAG AA).
() => {
  const found = [];
  const parse = (color) => {
    const [r, g, b, alpha = 1] = color.match(/[\d.]+/g).map(Number);
    return [r, g, b, alpha];
  };
  const over = ([r, g, b, alpha], below) =>
    [r, g, b].map((value, i) => value * alpha + below[i] * (1 - alpha)).concat(1);
  const luminance = (color) => {
    const [r, g, b] = color.slice(0, 3).map((value) => {
      const part = value / 255;
      return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    const layers = [];
    for (let each = element; each; each = each.parentElement) {
      const color = parse(getComputedStyle(each).backgroundColor);
      if (color[3] > 0) layers.unshift(color);
      if (color[3] === 1) break;
    }
    return layers.reduce((below, color) => over(color, below), [255, 255, 255, 1]);
  };

  const excess = document.documentElement.scrollWidth - window.innerWidth;
  if (excess > 0) found.push(`${excess} px wider than the window`);
  for (const image of document.images) {
    if (!image.alt) found.push(`${image.getAttribute("src")} has no alternative text`);
  }
  for (const drawing of document.querySelectorAll("svg[role=img]")) {
    if (!drawing.getAttribute("aria-label")) found.push("a drawing has no alternative text");
  }
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = texts.currentNode.textContent.trim();
    const element = texts.currentNode.parentElement;
    const style = getComputedStyle(element);
    if (!text || style.visibility === "hidden" || !element.getClientRects().length) continue;
    const behind = ground(element);
    const lights = [luminance(over(parse(style.color), behind)), luminance(behind)];
    const contrast = (Math.max(...lights) + 0.05) / (Math.min(...lights) + 0.05);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (contrast < (isLarge ? 3 : 4.5)) {
      found.push(`contrast ${contrast.toFixed(2)} of ${JSON.stringify(text.slice(0, 40))}`);
    }
  }
  return found;
}
