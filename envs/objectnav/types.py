"""Object types and the numbers that semantic images give them."""

from __future__ import annotations

STRUCTURE = ("Wall", "Floor", "Ceiling", "Door", "WindowPane", "CeilingLamp", "Fitting")
"""What a house is made of beside its things; fittings are the bodies of counters and stoves."""

_ALPHABET = """
    AlarmClock AluminumFoil Apple ArmChair BaseballBat BasketBall Bathtub BathtubBasin Bed Blinds Book Boots Bottle
    Bowl Box Bread ButterKnife CD Cabinet Candle Cart CellPhone Chair Cloth ClothesDryer CoffeeMachine CoffeeTable
    CounterTop CreditCard Cup Curtains Desk DeskLamp Desktop DiningTable DishSponge DogBed Doorframe Doorway Drawer
    Dresser Dumbbell Egg Faucet FloorLamp Footstool Fork Fridge GarbageBag GarbageCan HandTowel HandTowelHolder
    HousePlant Kettle KeyChain Knife Ladle Laptop LaundryHamper Lettuce LightSwitch Microwave Mirror Mug Newspaper
    Ottoman Painting Pan PaperTowelRoll Pen Pencil PepperShaker Pillow Plate Plunger Poster Pot Potato RemoteControl
    RoomDecor Safe SaltShaker ScrubBrush Shelf ShelvingUnit ShowerCurtain ShowerDoor ShowerGlass ShowerHead SideTable
    Sink SinkBasin SoapBar SoapBottle Sofa Spatula Spoon SprayBottle Statue Stool StoveBurner StoveKnob TVStand
    TableTopDecor TeddyBear Television TennisRacket TissueBox Toaster Toilet ToiletPaper ToiletPaperHanger Tomato Towel
    TowelHolder VacuumCleaner Vase WashingMachine Watch WateringCan Window WineBottle
"""

OBJECTS = tuple(_ALPHABET.split())
"""AI2-THOR's object types, in alphabetical order."""

TYPES = ("", *STRUCTURE, *OBJECTS, "Other")
"""The name of each semantic id: 0 is nothing, the last is a type that is not in the table."""

_IDS = {name: number for number, name in enumerate(TYPES)}


def type_id(name: str) -> int:
    """The semantic id of a type; that of "Other" where the table does not know it."""
    return _IDS.get(name, len(TYPES) - 1)
