"use strict";
// Shows one picture at a time, with two buttons to walk through them. Without this script, each picture is a <details> of its own.
for (const walk of document.querySelectorAll(".pictures")) {
  const pictures = [...walk.querySelectorAll("details")];
  if (pictures.length < 2) continue;
  let shown = Math.max(0, pictures.findIndex((picture) => picture.open));
  const bar = document.createElement("div");
  bar.className = "walk";
  const button = (words, move) => {
    const element = document.createElement("button");
    element.type = "button";
    element.textContent = words;
    element.addEventListener("click", () => show(shown + move));
    bar.append(element);
    return element;
  };
  const back = button("◀ earlier", -1);
  const place = document.createElement("output");
  bar.append(place);
  const on = button("later ▶", 1);
  const show = (index) => {
    shown = Math.min(Math.max(index, 0), pictures.length - 1);
    pictures.forEach((picture, number) => {
      picture.hidden = number !== shown;
      picture.open = number === shown;
    });
    back.disabled = shown === 0;
    on.disabled = shown === pictures.length - 1;
    place.textContent = `picture ${shown + 1} of ${pictures.length}`;
  };
  walk.prepend(bar);
  walk.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") show(shown - 1);
    if (event.key === "ArrowRight") show(shown + 1);
  });
  for (const link of document.querySelectorAll(`a[href^="#${walk.id}-"]`)) {
    link.addEventListener("click", () => show(pictures.findIndex((picture) => "#" + picture.id === link.getAttribute("href"))));
  }
  show(shown);
}
